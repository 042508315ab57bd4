"""PostgreSQL: address, connections, schema (`migrate`), named queries, backups, and an embedded server (`server/`)."""
