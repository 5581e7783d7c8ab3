-- Records are sealed at capture and never rewritten; only proven_height is added.
CREATE TABLE records (
    seq           INTEGER PRIMARY KEY,  -- own counter, without holes; AUTOINCREMENT would cost a third more bytes
    stream        INTEGER NOT NULL,
    data          BLOB NOT NULL,        -- the sealed bytes, as hashed and signed
    signature     BLOB,                 -- raw r||s; NULL for samples, which the next signed record covers
    proven_height INTEGER               -- NULL until a proof showed it on the ledger
);
CREATE INDEX records_by_stream ON records (stream, seq);

-- Signed transactions, stored before they are sent. States: items.py, ItemState.
CREATE TABLE items (
    id             INTEGER PRIMARY KEY,
    priority       INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    kind           INTEGER NOT NULL,
    slot_s         INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    reference      BLOB NOT NULL UNIQUE,  -- chosen before the first attempt, so that nothing is enqueued twice
    tx             BLOB NOT NULL,         -- emptied when proven: the ledger has it then
    expires_height INTEGER NOT NULL,
    record_seq     INTEGER REFERENCES records (seq),
    attempts       INTEGER NOT NULL DEFAULT 0,
    height         INTEGER,
    code           INTEGER,
    detail         TEXT
);
CREATE INDEX items_open ON items (priority, id) WHERE state <= 2;
CREATE INDEX items_refused ON items (id) WHERE state = 4;

CREATE TABLE named_values (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row: ledger sequence numbers below this one may have been used.
CREATE TABLE sequence (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    first_free INTEGER NOT NULL
);
INSERT INTO sequence (id, first_free) VALUES (1, 1);
