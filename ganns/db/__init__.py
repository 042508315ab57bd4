"""PostgreSQL: which one (`address`), how (`connect`), an embedded one (`embedded`), its schema (`migrate`)."""
