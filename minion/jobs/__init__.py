"""The minion's jobs: journal, queue, the fork server and its workers."""
