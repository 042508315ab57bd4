"""Trust in a login: how many of its results are audited, and when no more are taken.

New logins are audited always, until `audit.first` results in a row agreed; then with a probability that falls with
trust. That is BOINC's adaptive replication (Anderson, arXiv 1903.01699), where the second result comes from another
volunteer; here it comes from the coordinator, or from a worker of a login that the instructor trusts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganns.config import AuditConfig

FLOOR = 0.25
"""The probability of an audit never falls below this part of `audit.share`: a login that turns is found, too."""


@dataclass(frozen=True)
class Trust:
    """Counts of a login's audited results."""

    agreed: int = 0  # audits in a row
    failed: int = 0  # audits of this run that found a wrong result
    results: int = 0  # accepted since it is trusted, of this run
    audits: int = 0  # chosen by chance since it is trusted, of this run

    def after(self, agreed: bool) -> Trust:
        """Return the trust after an audit: a wrong result is never made up for, and all that follow are audited."""
        return replace(self, agreed=self.agreed + 1) if agreed else replace(self, agreed=0, failed=self.failed + 1)

    def counted(self, config: AuditConfig, chosen: bool) -> Trust:
        """Return the trust after an accepted result, which was or was not chosen for an audit."""
        if self.agreed < config.first:
            return self
        return replace(self, results=self.results + 1, audits=self.audits + chosen)


def probability(trust: Trust, config: AuditConfig) -> float:
    """Return the probability that the next result is audited.

    It is 1 for the first results, then 1 / n after n that agreed in a row (as BOINC's), between `share` and a quarter
    of it. A login that turns after n results is first found after 1 / p results on average, and then always.
    """
    if trust.agreed < config.first:
        return 1.0
    return max(FLOOR * config.share, min(config.share, 1 / max(1, trust.agreed)))


def is_chosen(trust: Trust, config: AuditConfig, draw: float) -> bool:
    """Tell whether a result is audited.

    Args:
        trust: of its login, before this result.
        config: the run's `audit.*`.
        draw: a random number from [0, 1) that no worker can know.
    """
    if trust.agreed < config.first:
        return True
    is_paid = trust.audits < config.share * (trust.results + 1) + 1
    return is_paid and draw < probability(trust, config)


def is_out(trust: Trust, config: AuditConfig) -> bool:
    """Tell whether a login's results are taken no more."""
    return trust.failed >= config.failures


def is_auditor_suspect(trusts: Mapping[Any, Trust]) -> bool:
    """Tell whether rather the auditor is broken: it disagrees with most of the logins that it has looked at."""
    seen = [trust for trust in trusts.values() if trust.agreed or trust.failed]
    failed = sum(trust.failed > 0 for trust in seen)
    return failed >= 2 and 2 * failed > len(seen)
