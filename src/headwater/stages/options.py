"""On what terms a consumer subscribes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypedDict, TypeVar

from headwater.errors import SubscriptionRefused
from headwater.stages.demand import MAX_DEMAND, Window, check_bounds

E = TypeVar("E")

CancelMode = Literal["permanent", "transient", "temporary"]
"""What the end of a subscription is to the consumer. `permanent`: it ends too, for the same reason. `transient`: it
ends too if that reason is abnormal. `temporary`: it goes on."""

DemandMode = Literal["automatic", "manual"]
"""Who asks: the stage by itself, or the application with `StageSubscription.ask`."""

CANCEL_MODES: Final = ("permanent", "transient", "temporary")
DEMAND_MODES: Final = ("automatic", "manual")


class Terms(TypedDict, Generic[E], total=False):
    """The keyword arguments of a subscription; see `SubscribeOptions` for their meaning."""

    max_demand: int
    min_demand: int | None
    cancel: CancelMode
    mode: DemandMode
    partition: Hashable
    selector: Callable[[E], bool] | None


@dataclass(frozen=True)
class SubscribeOptions(Generic[E]):
    """The terms of a subscription.

    Attributes:
        max_demand: how many events may be on their way to the consumer, or waiting for it, or being handled by it.
        min_demand: when only so many are left of them, the consumer asks for more; half of `max_demand` if not given.
        cancel: what the end of the subscription is to the consumer.
        mode: who asks.
        partition: which partition of a `PartitionDispatcher` it wants.
        selector: which events of a `BroadcastDispatcher` it wants; None for all of them.

    Raises:
        InvalidDemand: a `max_demand` below 1, or a `min_demand` that isn't below it.
        SubscriptionRefused: no such `cancel` or `mode`.
    """

    max_demand: int = MAX_DEMAND
    min_demand: int | None = None
    cancel: CancelMode = "permanent"
    mode: DemandMode = "automatic"
    partition: Hashable = None
    selector: Callable[[E], bool] | None = None

    def __post_init__(self) -> None:
        check_bounds(self.max_demand, 0 if self.min_demand is None else self.min_demand)
        if self.cancel not in CANCEL_MODES:
            raise SubscriptionRefused(f"cancel is one of {', '.join(CANCEL_MODES)}, not {self.cancel!r}")
        if self.mode not in DEMAND_MODES:
            raise SubscriptionRefused(f"mode is one of {', '.join(DEMAND_MODES)}, not {self.mode!r}")

    def window(self) -> Window:
        """A window of this demand."""
        return Window(self.max_demand, self.max_demand // 2 if self.min_demand is None else self.min_demand)
