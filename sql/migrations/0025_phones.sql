-- A GAN that phones train in their browsers: `ganns dashboard --phones`. Its runs, rounds, units and credit have the rules of
-- the big ones, in tables of their own: its units are no jobs, its phones have no login, and only the dashboard writes here.

CREATE TABLE ganns.phone_runs (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    recipe text NOT NULL,
    seed bigint NOT NULL,  -- all randomness derives from it
    wait_percent integer NOT NULL CHECK (wait_percent BETWEEN 1 AND 100),  -- of a round's units, results that close it
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz  -- NULL: the newest run
);

CREATE TABLE ganns.phones (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    key_digest bytea NOT NULL UNIQUE,  -- of the secret that the phone's browser keeps, so that it comes back as the same
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    joined_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ganns.phone_versions (
    run_id bigint NOT NULL REFERENCES ganns.phone_runs ON DELETE CASCADE,
    version integer NOT NULL,
    weights bytea NOT NULL,
    moments bytea NOT NULL,  -- of Adam: with the weights, the whole state
    digest text NOT NULL,  -- of weights and moments
    PRIMARY KEY (run_id, version)
);

CREATE TABLE ganns.phone_rounds (
    run_id bigint NOT NULL REFERENCES ganns.phone_runs ON DELETE CASCADE,
    round integer NOT NULL,  -- its units compute at the version of the same number
    quorum integer NOT NULL CHECK (quorum >= 1),
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    PRIMARY KEY (run_id, round)
);
CREATE UNIQUE INDEX phone_rounds_open ON ganns.phone_rounds (run_id) WHERE closed_at IS NULL;  -- prevents a second open one

CREATE TABLE ganns.phone_units (
    run_id bigint NOT NULL,
    round integer NOT NULL,
    unit integer NOT NULL,
    seed bigint NOT NULL,
    attempt integer NOT NULL DEFAULT 0,  -- only the newest attempt may submit
    phone_id bigint REFERENCES ganns.phones,  -- holds it; NULL: nobody
    claimed_at timestamptz,
    gradient bytea,  -- until its round is closed
    digest text,  -- of the gradient; NULL: no result
    loss_d double precision,
    loss_g double precision,
    PRIMARY KEY (run_id, round, unit),
    FOREIGN KEY (run_id, round) REFERENCES ganns.phone_rounds ON DELETE CASCADE
);

CREATE TABLE ganns.phone_ledger (  -- credit: one row for each result that was accepted, or late
    run_id bigint NOT NULL REFERENCES ganns.phone_runs ON DELETE CASCADE,
    round integer NOT NULL,
    unit integer NOT NULL,
    attempt integer NOT NULL,
    phone_id bigint NOT NULL REFERENCES ganns.phones,
    accepted boolean NOT NULL,
    digest text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, round, unit, attempt)
);
