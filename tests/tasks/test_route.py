"""Which carry, which clips, which seeds: against a film whose every clip knows all that it came of."""

from dataclasses import MISSING, fields, replace

from hypothesis import given
from hypothesis import strategies as st

from storage.seed_history import Take
from storage.spec import Spec
from tasks.route import Route, Standing, describe_start, find_route, leads_to, shared_carries

CLIPS = 8
Chain = tuple[int, ...]
"""The seeds of a clip and of all those that it came of, one each."""


film = replace(
    Spec(
        **{
            each.name: 1 if each.type is int else ""
            for each in fields(Spec)
            if each.default is MISSING
        }
    ),
    clips=CLIPS,
    seed=7,
)
"""One that nothing was taken of yet; all else of it matters to no route."""


@st.composite
def takes(draw: st.DrawFn) -> tuple[Take, ...]:
    """Up to four, of few seeds, one upon the other."""

    def take() -> Take:
        clip = draw(st.integers(0, CLIPS - 1))
        return Take("0" * 64, clip, draw(st.integers(clip + 1, CLIPS)), draw(st.integers(7, 9)))

    return tuple(take() for _ in range(draw(st.integers(0, 4))))


clips = st.integers(0, CLIPS - 1)
carries = st.sets(st.integers(1, CLIPS - 1))


def chains(spec: Spec) -> list[Chain]:
    """What each clip that the film shows came of: the film made, and then retake after retake."""
    shown = [(spec.seed,) * (clip + 1) for clip in range(CLIPS)]
    for take in spec.takes:
        before = shown[take.clip - 1] if take.clip else ()
        for clip in range(take.clip, take.until):
            shown[clip] = before = (*before, take.seed)
    return shown


def walked(spec: Spec, route: Route, before: Chain) -> Chain:
    """What a denoiser has made that went a route, from what it had made before."""
    for clip in route.clips:
        before = (*before, route.seed_at(clip))
        assert route.shows(clip) == (before == chains(spec)[clip])
    return before


@given(takes(), clips, carries)
def test_a_route_leads_to_the_clip_that_the_film_shows(taken, clip, there):
    """From the state that the carry holds, or from nothing, through its seeds, to all that the clip came of; no other carry is nearer."""
    spec = replace(film, takes=taken)
    shown, route = chains(spec), find_route(spec, clip, there)
    assert not route.goes_on
    assert route.start in {0, *there}
    assert walked(spec, route, shown[route.start][:-1]) == shown[clip]
    nearer = [at for at in there if route.start < at <= clip]
    assert not [at for at in nearer if shown[at][:-1] == shown[clip][:at]]


@given(takes(), st.lists(clips, min_size=1, max_size=5), carries)
def test_a_denoiser_goes_on_where_that_is_shorter_and_leads_to_the_same(taken, wanted, there):
    """Clip after clip, in any order: it never begins behind the carry that would be taken without it."""
    spec = replace(film, takes=taken)
    shown, standing = chains(spec), None
    made: Chain = ()
    for clip in wanted:
        route = find_route(spec, clip, there, standing)
        assert route.start >= find_route(spec, clip, there).start
        assert route.goes_on == (
            standing is not None
            and route.start == standing.clip
            and made == shown[clip][: len(made)]
        )
        made = walked(spec, route, made if route.goes_on else shown[route.start][:-1])
        assert made == shown[clip]
        standing = route.stand_before(clip + 1)


@given(takes(), clips)
def test_beyond_its_clip_a_route_goes_along_the_film(taken, clip):
    """As far as the film goes on from what was made: a denoiser that runs ahead has the seeds of the clips it comes to."""
    spec = replace(film, takes=taken)
    shown, route = chains(spec), find_route(spec, clip, ())
    made, following = shown[clip], clip + 1
    while following < CLIPS and leads_to(spec, route.stand_before(following), following):
        made = (*made, route.seed_at(following))
        assert made == shown[following]
        following += 1
    assert following == CLIPS or shown[following][:-1] != made


@given(takes(), takes(), carries)
def test_two_films_share_the_carries_that_hold_the_same_state(taken, more, there):
    """And no others."""
    old, new = replace(film, takes=taken), replace(film, takes=(*taken, *more))
    same = [at for at in there if chains(old)[at][:-1] == chains(new)[at][:-1]]
    assert shared_carries(old, new, there) == same


@given(takes(), clips, carries, clips)
def test_where_motion_is_all_every_clip_is_a_start(taken, clip, there, at):
    """A clip has its own seed there and nothing is replayed, whatever lies on the disk."""
    spec = replace(film, takes=taken, motion_latents=3)
    route = find_route(spec, clip, there, Standing(at, spec.history_before(at)))
    assert (route.start, route.goes_on, list(route.replay)) == (clip, at == clip, [])
    assert (route.seed_at(clip), route.shows(clip)) == (chains(spec)[clip][-1], True)


def test_a_start_has_its_reason() -> None:
    """A state checkpoint that leads there, none, or one that turned out damaged and is named."""
    newest = find_route(film, 7, (2, 4))
    assert describe_start(newest, newest) == "the newest state checkpoint that leads there"
    bare = find_route(film, 7, ())
    assert describe_start(bare, bare) == "no state checkpoint leads there"
    for earlier in (bare, find_route(film, 7, (2,))):
        assert describe_start(earlier, newest) == "the state checkpoint before clip 4 is damaged"
