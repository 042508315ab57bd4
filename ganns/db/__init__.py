"""PostgreSQL: which one (`address`, `choose`), how (`connect`), an embedded one, its schema (`migrate`), its queries."""
