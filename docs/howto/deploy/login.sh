#!/bin/bash
# Runs once, when the database's container makes its database: a login for the class, which is no superuser.
set -e
psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set password="$GANNS_PASSWORD" <<'SQL'
CREATE ROLE ganns LOGIN PASSWORD :'password';
CREATE DATABASE ganns OWNER ganns;
SQL
