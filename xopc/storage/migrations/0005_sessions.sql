-- What a session remembers beside its messages: how it is kept, found and counted.

ALTER TABLE sessions ADD COLUMN scope_id TEXT;
-- active, archived or pinned.
ALTER TABLE sessions ADD COLUMN keeping TEXT NOT NULL DEFAULT 'active';
ALTER TABLE sessions ADD COLUMN last_accessed_at REAL NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN turn_count INTEGER NOT NULL DEFAULT 0;
-- What models counted, other than estimated_tokens.
ALTER TABLE sessions ADD COLUMN token_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_turn_at REAL;
ALTER TABLE sessions ADD COLUMN thinking_level TEXT;
ALTER TABLE sessions ADD COLUMN reasoning_level TEXT;
ALTER TABLE sessions ADD COLUMN verbose_level TEXT;
-- The name as a search compares it.
ALTER TABLE sessions ADD COLUMN folded_name TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN custom_data TEXT NOT NULL DEFAULT '{}'; -- JSON

UPDATE sessions SET
    last_accessed_at = updated_at,
    turn_count = (SELECT count(DISTINCT run_id) FROM messages WHERE session_id = sessions.id),
    last_turn_at = (SELECT max(at) FROM messages WHERE session_id = sessions.id);

CREATE INDEX sessions_by_access ON sessions (last_accessed_at);
CREATE INDEX sessions_by_messages ON sessions (message_count);
CREATE INDEX sessions_by_keeping ON sessions (keeping, updated_at);

CREATE TABLE session_tags (
    session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (session_id, tag)
) WITHOUT ROWID;
CREATE INDEX session_tags_by_tag ON session_tags (tag);

-- Sums over the sessions, so that nobody counts them one by one. Kept by the triggers below.
CREATE TABLE session_sums (
    agent_id TEXT NOT NULL,
    source   TEXT NOT NULL,
    keeping  TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    turns    INTEGER NOT NULL,
    tokens   INTEGER NOT NULL,
    PRIMARY KEY (agent_id, source, keeping)
) WITHOUT ROWID;

INSERT INTO session_sums
    SELECT agent_id, source, keeping, count(*), sum(message_count), sum(turn_count), sum(token_count)
    FROM sessions GROUP BY agent_id, source, keeping;

CREATE TRIGGER session_added AFTER INSERT ON sessions BEGIN
    INSERT INTO session_sums VALUES (new.agent_id, new.source, new.keeping, 1, 0, 0, 0)
        ON CONFLICT DO UPDATE SET sessions = sessions + 1;
END;

CREATE TRIGGER session_removed AFTER DELETE ON sessions BEGIN
    UPDATE session_sums SET sessions = sessions - 1, messages = messages - old.message_count,
        turns = turns - old.turn_count, tokens = tokens - old.token_count
        WHERE agent_id = old.agent_id AND source = old.source AND keeping = old.keeping;
    DELETE FROM session_sums
        WHERE agent_id = old.agent_id AND source = old.source AND keeping = old.keeping AND sessions = 0;
END;

CREATE TRIGGER session_grown AFTER UPDATE OF message_count, turn_count, token_count ON sessions
WHEN new.keeping = old.keeping BEGIN
    UPDATE session_sums SET messages = messages + new.message_count - old.message_count,
        turns = turns + new.turn_count - old.turn_count, tokens = tokens + new.token_count - old.token_count
        WHERE agent_id = new.agent_id AND source = new.source AND keeping = new.keeping;
END;

CREATE TRIGGER session_kept_otherwise AFTER UPDATE OF keeping ON sessions
WHEN new.keeping <> old.keeping BEGIN
    INSERT INTO session_sums
        VALUES (new.agent_id, new.source, new.keeping, 1, new.message_count, new.turn_count, new.token_count)
        ON CONFLICT DO UPDATE SET sessions = sessions + 1, messages = messages + new.message_count,
            turns = turns + new.turn_count, tokens = tokens + new.token_count;
    UPDATE session_sums SET sessions = sessions - 1, messages = messages - old.message_count,
        turns = turns - old.turn_count, tokens = tokens - old.token_count
        WHERE agent_id = old.agent_id AND source = old.source AND keeping = old.keeping;
    DELETE FROM session_sums
        WHERE agent_id = old.agent_id AND source = old.source AND keeping = old.keeping AND sessions = 0;
END;

-- Who has written in which session, from which chat. A person is the platform's id of the sender, in lower case.
CREATE TABLE session_people (
    session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    channel    TEXT NOT NULL,
    account    TEXT NOT NULL,
    chat       TEXT NOT NULL,
    person     TEXT NOT NULL,
    peer_kind  TEXT NOT NULL,
    last_at    REAL NOT NULL,
    PRIMARY KEY (session_id, channel, account, chat, person)
) WITHOUT ROWID;
CREATE INDEX session_people_by_person ON session_people (person, channel);

-- Who wrote a user's message: `<channel>:<person>`.
ALTER TABLE messages ADD COLUMN author TEXT;

UPDATE messages SET author =
    (SELECT json_extract(inbound, '$.address.channel') || ':' || lower(trim(json_extract(inbound, '$.sender')))
    FROM inbox WHERE run_id = messages.run_id)
    WHERE run_id IS NOT NULL AND json_extract(message, '$.role') = 'user';

INSERT OR IGNORE INTO session_people
    SELECT session_id, json_extract(inbound, '$.address.channel'), json_extract(inbound, '$.address.account'),
        json_extract(inbound, '$.address.chat'), lower(trim(json_extract(inbound, '$.sender'))),
        json_extract(inbound, '$.peerKind'), s.updated_at
    FROM inbox JOIN sessions s ON s.id = session_id;

INSERT OR IGNORE INTO session_people
    SELECT id, source, account_id, peer_id, lower(trim(peer_id)), peer_kind, updated_at
    FROM sessions WHERE peer_kind IN ('dm', 'direct') AND source NOT IN ('main', 'dm');
