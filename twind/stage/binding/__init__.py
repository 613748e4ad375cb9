"""The binding layer: what makes an asset a twin (ids, settings, routes), in a file of its own over the asset."""
