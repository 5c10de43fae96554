"""Sockets between master and minions: the only corner that knows ZeroMQ.

`sockets.py` imports zmq and is thin; what can be decided without it stands beside it: `events.py`
(what callers are told), `monitor.py` (what libzmq reports), `zap.py` (whom to let in),
`connections.py` (which connection is whose), `watcher.py` (who is cut off), `options.py` (numbers).
"""
