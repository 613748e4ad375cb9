"""Words shared by every room: stamps, samples, estimates, topology and the error tree. Imports no other room."""
