"""Sockets between master and minions: the only corner that knows ZeroMQ.

`raw.py` imports zmq and is thin; callers use `sockets.py`, which gives what `listening.py` and
`authenticator.py` hold as well, and `polling.py` to wait. What can be decided without a socket
stands beside them: `events.py` (what callers are told), `monitor.py` (what libzmq reports),
`zap_handler.py` (whom to let in), `connections.py` (which connection is whose), `watcher.py` (who
is cut off), `options.py` (numbers).
"""
