"""Azure Event Hubs and IoT Hub.

emulator   a server that the unmodified SDK talks to, for tests and for machines without a cloud
"""
