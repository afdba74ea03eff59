"""Which galaxies are blended, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.blend.galaxies import Galaxies
from skymill.blend.separation import SEPARATIONS, draw_distance
from skymill.config.blend import Composition
from skymill.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACES_TRIED = 50
COMPANIONS_TRIED = 200
GROUPS_TRIED = 50


@dataclass(frozen=True)
class Group:
    """One blend before it is drawn.

    Parameters
    ----------
    members : ndarray (m,), int64
        Rows of the :class:`~skymill.blend.galaxies.Galaxies`, the central galaxy first.
    shift_x, shift_y : ndarray (m,), int64
        By how many whole pixels each stamp is shifted; 0 for the central galaxy. Sub-pixel offsets are drawn into the
        stamps, so that nothing is interpolated.
    """

    members: NDArray[np.int64]
    shift_x: NDArray[np.int64]
    shift_y: NDArray[np.int64]


class GroupRecipe:
    """Draws groups by a configuration.

    Parameters
    ----------
    config : Composition
        Group sizes, separations and differences in magnitude.
    galaxies : Galaxies
        Galaxies of one side.

    Raises
    ------
    ConfigError
        If no two galaxies differ by the wanted magnitudes.
    """

    def __init__(self, config: Composition, galaxies: Galaxies) -> None:
        self.config, self.galaxies = config, galaxies
        self._sizes = np.array(list(config.group_sizes))
        shares = np.array(list(config.group_sizes.values()), dtype=np.float64)
        self._shares = shares / shares.sum()
        self._order = np.argsort(galaxies.mag, kind="stable")
        self._sorted_mag = galaxies.mag[self._order]
        self._partners = self._count_partners()
        self._check_partners()

    def _check_partners(self) -> None:
        largest, most = int(self._sizes[self._shares > 0].max()), int(self._partners.max())
        if most >= largest - 1:
            return
        low, high = self.config.delta_mag
        raise ConfigError(
            "blend.delta_mag",
            expected=f"a range in which some galaxy has {largest - 1} partners for a group of {largest} "
            f"({len(self.galaxies)} galaxies, mag {self._sorted_mag[0]:.2f} to {self._sorted_mag[-1]:.2f})",
            found=f"[{low:g}, {high:g}], in which none has more than {most}",
            remedy="Widen the range or draw more galaxies.",
        )

    def _intervals(self, mag: NDArray | float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return where galaxies brighter and fainter by the wanted differences lie among the sorted ones.

        [a, b) and [c, d) do not overlap: where the smallest difference is 0 they meet.
        """
        low, high = self.config.delta_mag
        a = np.searchsorted(self._sorted_mag, mag - high, "left")
        b = np.searchsorted(self._sorted_mag, mag - low, "right")
        c = np.maximum(np.searchsorted(self._sorted_mag, mag + low, "left"), b)
        d = np.maximum(np.searchsorted(self._sorted_mag, mag + high, "right"), c)
        return a, b, c, d

    def _count_partners(self) -> NDArray[np.int64]:
        """Count for each galaxy the others that it may be blended with, as far as magnitudes go."""
        a, b, c, d = self._intervals(self.galaxies.mag)
        itself = int(self.config.delta_mag[0] == 0)
        return (b - a) + (d - c) - itself

    def draw(self, generator: np.random.Generator) -> Group:
        """Draw one group.

        The central galaxy is drawn evenly from those with enough partners, companions evenly from its partners.

        Raises
        ------
        ConfigError
            If the separations leave no room.
        """
        size = int(generator.choice(self._sizes, p=self._shares))
        centrals = np.flatnonzero(self._partners >= size - 1) if size > 1 else np.arange(len(self.galaxies))
        for _ in range(GROUPS_TRIED):
            group = _Growing(self, int(centrals[generator.integers(len(centrals))]), generator)
            if all(group.add_companion() for _ in range(size - 1)):
                return group.finished()
        raise ConfigError(
            "blend.separation",
            expected=f"distances that leave room for groups of {size}",
            found=f"none after {GROUPS_TRIED} groups: {self.config.separation.recipe_params()}",
            remedy="Widen the distances, or leave large groups out of blend.group_sizes.",
        )

    def partner(self, central: int, generator: np.random.Generator) -> int:
        """Draw a galaxy whose magnitude fits that of the central one; it may be the central one itself."""
        a, b, c, d = self._intervals(float(self.galaxies.mag[central]))
        place = a + int(generator.integers((b - a) + (d - c)))
        return int(self._order[place if place < b else place - b + c])

    def limits(self, one: int, other: int) -> tuple[float, float]:
        """Return the smallest and largest distance of two galaxies, px."""
        separation = self.config.separation
        radius = self.galaxies.radius_px
        return SEPARATIONS[separation.kind](separation, float(radius[one]), float(radius[other]))


class _Growing:
    """A group to which companions are added."""

    def __init__(self, recipe: GroupRecipe, central: int, generator: np.random.Generator) -> None:
        self.recipe, self.generator = recipe, generator
        self.members, self.shifts = [central], [(0, 0)]

    def add_companion(self) -> bool:
        """Add a galaxy that fits by magnitude and distance; False if none was found."""
        for _ in range(COMPANIONS_TRIED):
            galaxy = self.recipe.partner(self.members[0], self.generator)
            if galaxy in self.members:
                continue
            shift = self._place(galaxy)
            if shift is not None:
                self.members.append(galaxy)
                self.shifts.append(shift)
                return True
        return False

    def _place(self, galaxy: int) -> tuple[int, int] | None:
        """Draw a distance and an angle until they keep to the limits also on whole pixels, and off the others."""
        low, high = self.recipe.limits(self.members[0], galaxy)
        if not low < high:
            return None
        galaxies, farthest = self.recipe.galaxies, int(self.recipe.config.max_separation_px)
        offset_x = galaxies.dx[galaxy] - galaxies.dx[self.members[0]]
        offset_y = galaxies.dy[galaxy] - galaxies.dy[self.members[0]]
        for _ in range(PLACES_TRIED):
            distance = draw_distance(self.recipe.config.separation, low, high, self.generator)
            angle = self.generator.uniform(0, 2 * np.pi)
            shift_x = round(float(distance * np.cos(angle) - offset_x))
            shift_y = round(float(distance * np.sin(angle) - offset_y))
            true = np.hypot(shift_x + offset_x, shift_y + offset_y)
            fits = low <= true <= high and max(abs(shift_x), abs(shift_y)) <= farthest
            if fits and self._is_free(galaxy, shift_x, shift_y):
                return shift_x, shift_y
        return None

    def _is_free(self, galaxy: int, shift_x: int, shift_y: int) -> bool:
        """Whether no other companion is nearer than the smallest distance of the two."""
        galaxies = self.recipe.galaxies
        for member, (member_x, member_y) in zip(self.members[1:], self.shifts[1:], strict=True):
            dx = shift_x + galaxies.dx[galaxy] - member_x - galaxies.dx[member]
            dy = shift_y + galaxies.dy[galaxy] - member_y - galaxies.dy[member]
            if np.hypot(dx, dy) < self.recipe.limits(member, galaxy)[0]:
                return False
        return True

    def finished(self) -> Group:
        shift_x, shift_y = np.array(self.shifts, dtype=np.int64).T
        return Group(np.array(self.members, dtype=np.int64), shift_x, shift_y)
