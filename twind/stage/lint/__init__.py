"""What of a stage would trouble a live twin: rules of OpenUSD, REP-158 and SimReady that matter for one, and our own."""
