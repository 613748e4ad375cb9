"""Bytes to samples, one file per wire format. Pure: no I/O, no clock."""
