"""The enrolment process and the line to it: sockets, processes, waiting."""
