"""The recorder: every message as it arrived, in MCAP files that survive a power cut and never fill the disk."""
