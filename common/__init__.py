"""The vocabulary that master and minion share: names, time, messages, bytes, sockets, files."""
