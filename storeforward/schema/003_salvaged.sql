-- Records of an earlier journal of this device that broke, with their bytes and signatures as they were. They are no part of
-- the chains of this one, and their numbers may be the same as those of its own records.
CREATE TABLE salvaged (
    seq           INTEGER NOT NULL,
    hash          BLOB NOT NULL,     -- SHA-256 of data: the same record is kept once, however often its file is gone through
    stream        INTEGER NOT NULL,
    data          BLOB NOT NULL,
    signature     BLOB,
    proven_height INTEGER,           -- NULL also where it is not known any more
    origin        TEXT NOT NULL,     -- name of the damaged file
    PRIMARY KEY (seq, hash)
) WITHOUT ROWID;
