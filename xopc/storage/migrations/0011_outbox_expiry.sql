-- By this the messages are found whose own time to live is over, wherever in their lanes they wait.

CREATE INDEX outbox_expiring ON outbox ((coalesce(retried_at, created_at) + ttl))
    WHERE state = 'pending' AND ttl IS NOT NULL;
