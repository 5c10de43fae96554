"""The minion's jobs: journal, queue, the job parent and its workers."""
