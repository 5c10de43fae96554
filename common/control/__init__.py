"""What the command line and the master say to each other over the Unix socket.

Frames: four bytes of length (big endian, at most 64 MiB towards the client, 1 MiB towards the
master), then MessagePack. A client sends one request at a time on a connection and reads replies
until one whose type says that it is the last; closing the connection ends a stream.
"""
