"""What lets a daemon that was killed come back to the same state: snapshots, and the recording's tail beyond them."""
