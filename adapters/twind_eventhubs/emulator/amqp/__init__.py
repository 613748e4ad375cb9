"""AMQP 1.0 without I/O: what a server needs of it.

    errors        what is wrong, in the protocol's own words
    values        Python types for AMQP's types
    encode        values to bytes
    decode        bytes to values, bounded
    performatives the nine frames that run connections, sessions and links
    frames        bytes of a stream to frames, and back
    sasl          the frames before the connection opens
    messages      the sections of a message, as spans of its bytes

References are to OASIS AMQP 1.0: part 1 types, part 2 transport, part 3 messaging, part 5 security.
"""
