"""Tell whether a plug-in is right: what `ganns plugin check NAME` prints, and what its own tests can call.

    from ganns.testing import check_aggregate, report

    def test_my_rule():
        report(check_aggregate(MyRule))

Each check returns `Finding`s: a sentence, and what is wrong with it if anything is. Nothing needs a database.
"""

from __future__ import annotations

from ganns.testing.aggregate import check_aggregate
from ganns.testing.data import check_data
from ganns.testing.loss import check_loss
from ganns.utils.checks import Finding, report

__all__ = ["Finding", "check_aggregate", "check_data", "check_loss", "report"]
