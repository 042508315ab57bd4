-- Schemas and tables that the first migration needs. Run under the migrations' lock; running it twice does no harm.
CREATE SCHEMA IF NOT EXISTS procrastinate;
CREATE SCHEMA IF NOT EXISTS ganns;
CREATE SCHEMA IF NOT EXISTS ganns_api;

CREATE TABLE IF NOT EXISTS ganns.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- procrastinate's migrations leave no trace in the database, so we write its version down ourselves
CREATE TABLE IF NOT EXISTS ganns.components (
    name text PRIMARY KEY,
    version text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);
