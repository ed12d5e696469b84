"""What travels between actors and how it queues: frames, the context, the mailbox."""
