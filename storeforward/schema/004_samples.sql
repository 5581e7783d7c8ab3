-- Samples get a table of their own, without an index: a sample then costs one page of the log and not two. Those that were
-- stored before stay where they are, in records, until they are evicted; so this file takes no time however many there are.
CREATE TABLE samples (
    seq  INTEGER PRIMARY KEY,  -- counted through both tables, as before
    data BLOB NOT NULL
);

-- What is read. The casts give both parts the same types; only then does SQLite merge them by seq instead of sorting them.
CREATE VIEW all_records AS
    SELECT seq, stream, data, signature, proven_height FROM records
    UNION ALL
    SELECT seq, CAST(5 AS INTEGER), data, CAST(NULL AS BLOB), CAST(NULL AS INTEGER) FROM samples;
