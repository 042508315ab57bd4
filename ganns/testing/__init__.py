"""Check a plug-in: `ganns plugin check NAME` prints the results, and its own tests can call the checks.

    from ganns.testing import check_aggregate, report

    def test_my_rule():
        report(check_aggregate(MyRule))

Each check returns `Finding`s: a sentence, and the fault if it is false. No check needs a database.
"""

from __future__ import annotations

from ganns.testing.aggregate import check_aggregate
from ganns.testing.data import check_data
from ganns.testing.loss import check_loss
from ganns.testing.networks import check_networks
from ganns.utils.checks import Finding, report

__all__ = ["Finding", "check_aggregate", "check_data", "check_loss", "check_networks", "report"]
