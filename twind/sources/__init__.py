"""Where bytes come from: the source protocols and the sources that need no adapter."""
