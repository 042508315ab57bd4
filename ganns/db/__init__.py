"""PostgreSQL: which one (`choose`), how (`connect`), an embedded one (`embedded`), its schema (`migrate`), queries."""
