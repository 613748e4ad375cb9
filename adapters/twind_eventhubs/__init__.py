"""Azure Event Hubs and IoT Hub: the source, on the SDK's own client, and an emulator to read from.

plugin       what the entry point names
settings     what can be configured
source       stays connected; what the daemon holds
reading      one connection: the SDK's event processor, lag, stalls, clocks
positions    from where a partition is read
checkpoints  who owns which partition, and positions for others to see
partition    events in, messages out, each event once
topics       the topic of an event
bodies       the messages in one event
room         back-pressure
contact      whether the hub is in reach
reasons      why not, and what to do about it
client       the SDK's client and who we are
hand_over    what daemons leave for each other of a partition: settings of the blob container
shared_blobs the claims and writes in it
blob_reasons why it cannot be used
emulator     a server that the unmodified SDK talks to, for tests and for machines without a cloud
"""
