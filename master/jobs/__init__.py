"""The life of a job: one delivery for each minion, the book of all jobs, and who follows them."""
