-- What eviction asks: does something still wait to be sent about a record, and which decided items are old?
CREATE INDEX items_waiting ON items (record_seq) WHERE state <= 2;
CREATE INDEX items_decided ON items (id) WHERE state IN (3, 5);

-- One row: bytes written and flushes of a day (days since 1970, UTC), saved now and then with another change.
CREATE TABLE wear (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    day     INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    flushes INTEGER NOT NULL
);
INSERT INTO wear (id, day, bytes, flushes) VALUES (1, 0, 0, 0);
