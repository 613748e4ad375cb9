"""`twind demo`: a broker, a cell of synthetic robots, the daemon, and the check of what it shows against the truth."""
