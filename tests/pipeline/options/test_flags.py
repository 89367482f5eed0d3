"""Live Avatar's flags: each works, is ignored with one line, or is refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.options.flags import FLAGS, write_page
from pipeline.options.sources import gather_options, make_request
from storage.errors import BadOption, Refused

ROOT = Path(__file__).parents[3]

# Every flag of the published programs' own parsers: s2v_streaming_interact.py, gradio_app.py, batch_eval.py, Wan2.2's generate.py,
# and those that the articles about them use.
PUBLISHED = """
    task size frame_num ckpt_dir offload_model ulysses_size t5_fsdp t5_cpu dit_fsdp save_file save_dir prompt use_prompt_extend
    prompt_extend_method prompt_extend_model prompt_extend_target_lang base_seed image sample_solver sample_steps sample_shift
    sample_guide_scale convert_model_dtype num_clip audio enable_tts tts_prompt_audio tts_prompt_text tts_text pose_video start_from_ref
    infer_frames load_lora lora_path lora_path_dmd training_config use_dataset dataset_sample_idx drop_motion_noisy single_gpu
    using_merged_ckpt num_gpus_dit enable_vae_parallel offload_kv_cache enable_online_decode fp8
    server_port server_name sample_list src_root_path refert_num replace_flag use_relighting_lora
    clip_batch_size start_clip output_dir output_file
""".split()  # noqa: SIM905 - a list of words is read as words

# The argument lists of the published launchers, torchrun's own words left out; the prompt is ours.
SINGLE = [
    *("--ulysses_size", "1", "--task", "s2v-14B", "--size", "704*384", "--base_seed", "420"),
    *("--training_config", "liveavatar/configs/s2v_causal_sft.yaml", "--offload_model", "True"),
    *(
        "--convert_model_dtype",
        "--prompt",
        "A smith laughs.",
        "--image",
        "examples/dwarven_blacksmith.jpg",
    ),
    *("--audio", "examples/dwarven_blacksmith.wav", "--infer_frames", "48", "--load_lora"),
    *(
        "--lora_path_dmd",
        "Quark-Vision/Live-Avatar",
        "--sample_steps",
        "4",
        "--sample_guide_scale",
        "0",
    ),
    *("--num_clip", "10000", "--num_gpus_dit", "1", "--sample_solver", "euler", "--single_gpu"),
    *("--ckpt_dir", "ckpt/Wan2.2-S2V-14B/", "--fp8"),
]
MULTI = [
    *("--ulysses_size", "1", "--task", "s2v-14B", "--size", "720*400", "--base_seed", "420"),
    *("--training_config", "liveavatar/configs/s2v_causal_sft.yaml", "--offload_model", "False"),
    *(
        "--convert_model_dtype",
        "--prompt",
        "A smith laughs.",
        "--image",
        "examples/dwarven_blacksmith.jpg",
    ),
    *("--audio", "examples/dwarven_blacksmith.wav", "--infer_frames", "48", "--load_lora"),
    *(
        "--lora_path_dmd",
        "Quark-Vision/Live-Avatar",
        "--sample_steps",
        "4",
        "--sample_guide_scale",
        "0",
    ),
    *(
        "--num_clip",
        "10000",
        "--num_gpus_dit",
        "4",
        "--sample_solver",
        "euler",
        "--enable_vae_parallel",
    ),
    *("--ckpt_dir", "ckpt/Wan2.2-S2V-14B/", "--fp8"),
]
PAGE = [
    *("--ulysses_size", "1", "--task", "s2v-14B", "--size", "704*384", "--base_seed", "420"),
    *("--training_config", "liveavatar/configs/s2v_causal_sft.yaml", "--offload_model", "True"),
    *(
        "--convert_model_dtype",
        "--infer_frames",
        "48",
        "--load_lora",
        "--lora_path_dmd",
        "Quark-Vision/Live-Avatar",
    ),
    *(
        "--sample_steps",
        "4",
        "--sample_guide_scale",
        "0",
        "--num_clip",
        "100",
        "--num_gpus_dit",
        "1",
    ),
    *("--sample_solver", "euler", "--single_gpu", "--ckpt_dir", "ckpt/Wan2.2-S2V-14B/"),
    *("--server_port", "7860", "--server_name", "0.0.0.0", "--fp8"),
]
ARTICLE = [
    *(
        "--prompt",
        "A smith laughs.",
        "--image",
        "examples/dwarven_blacksmith.jpg",
        "--audio",
        "examples/dwarven_blacksmith.wav",
    ),
    *("--size", "688*368", "--num_clip", "1000", "--infer_frames", "48", "--sample_steps", "4"),
    *("--enable_online_decode", "--clip_batch_size", "1", "--output_dir", "./output"),
]
TORCHRUN = ["torchrun", "--nproc_per_node=5", "--master_port=29102"]
SCRIPT = "minimal_inference/s2v_streaming_interact.py"


def options_of(*words: str):
    return gather_options(parse_command(words).given, {}, Path("/nonexistent"))


def test_every_published_flag_is_in_the_table():
    """No flag of the published programs is unknown here."""
    known = {flag.name.replace("-", "_") for flag in FLAGS if flag.published}
    assert set(PUBLISHED) == known


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("dash", ["-", "_"])
def test_each_works_is_ignored_with_one_line_or_refused(name: str, dash: str):
    """Each flag alone does exactly one of the three, with dashes or underscores."""
    flag = next(each for each in FLAGS if each.name == name.replace("_", "-"))
    value = (
        []
        if flag.constant is not None
        else [
            flag.only[0]
            if flag.only
            else {"size": "64*64", "offload_model": "True", "lora_path": "/"}.get(name, "3")
        ]
    )
    words = [f"--{name.replace('_', dash)}", *value]
    if flag.outcome == "refused":
        with pytest.raises(Refused, match=flag.refused[:20]):
            options_of(*words)
        return
    options = options_of(*words)
    assert bool(options.fields) == (flag.outcome == "works")
    assert len(options.told) == (flag.outcome == "ignored")


@pytest.mark.parametrize(
    ("words", "size"), [(SINGLE, (704, 384)), (MULTI, (720, 400)), (ARTICLE, (688, 368))]
)
@pytest.mark.parametrize(
    "front",
    [
        [],
        ["run"],
        [SCRIPT],
        [*TORCHRUN, SCRIPT],
        ["run_4gpu_tpp.sh"],
        ["bash", "infinite_inference_multi_gpu.sh"],
    ],
)
def test_published_lists_are_read_word_for_word(
    words: list[str], size: tuple[int, int], front: list[str]
):
    """The published argument lists ask for what they say, whatever stands in front of them."""
    options = options_of(*front, *words)
    fields = options.fields
    assert (fields["width"], fields["height"]) == size
    assert fields["image"] == Path("examples/dwarven_blacksmith.jpg")
    assert fields["audio"] == Path("examples/dwarven_blacksmith.wav")
    assert fields["prompt"] == "A smith laughs."
    assert fields["infer_frames"] == 48
    assert fields["sample_steps"] == 4
    assert fields["num_clip"] in {1000, 10_000}


def test_the_page_is_refused_with_the_reason():
    """The launcher of the published page says what to do instead."""
    with pytest.raises(Refused, match="longtake web --host NAME --port P"):
        options_of(*PAGE)


def test_ignored_flags_share_a_line_where_they_share_a_reason():
    """One line a reason, each naming its flags."""
    notices = options_of(*SINGLE).told
    assert len(notices) == len({notice.split(": ", 1)[1] for notice in notices})
    assert any("--num-gpus-dit, --single-gpu do nothing here" in notice for notice in notices)


def test_what_a_person_may_miss_is_told_after_what_costs_nothing(
    face: Path, speech: Path, tmp_path: Path, longtake: Callable[..., tuple[int, str, str]]
):
    """Four cards asked and one taken, weights that nobody reads: these are the last lines before the work."""
    words = ("--frame_num", "81", "--model", "pocket", "--weights", str(tmp_path), "--t5_cpu")
    code, _, err = longtake(
        "new", face, speech, "--run", "x", "--num-clip", "1", *words, "--num_gpus_dit", "4"
    )
    assert code == 0, err
    said = [line.split(" does")[0] for line in err.partition("[INFO] Online")[0].splitlines()]
    assert said[-4:] == [
        "--t5-cpu",
        "[WARN] --frame-num",
        "[WARN] --num-gpus-dit",
        "[WARN] --weights",
    ]


def test_whatever_names_weights_names_what_is_there():
    """By its own name or by any alias, also where nothing is done with them."""
    names = [
        flag.spelling
        for flag in FLAGS
        if flag.place or {"weights", "lora"}.intersection(flag.fields)
    ]
    assert set(names) == {"--weights", "--ckpt-dir", "--lora-path-dmd", "--lora-path"}
    for name in names:
        with pytest.raises(BadOption, match=f"{name} nowhere .* no such folder or file"):
            make_request(options_of("new", "a", "b", name, "nowhere"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--task", "t2v-A14B"], "s2v"),
        (["--sample_solver", "dpm++"], "Euler"),
        (["--ulysses_size", "4"], "one process"),
        (["--audio", "a.wav+b.wav"], "two people"),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused(words: list[str], reason: str):
    """A flag that is fine with one value is refused with another, which is named."""
    with pytest.raises(Refused, match=reason) as refused:
        options_of(*words)
    assert words[1] in str(refused.value)


def test_table_is_up_to_date():
    """docs/flags.md is what `python -m pipeline.options.flags` writes."""
    assert (ROOT / "docs/flags.md").read_text() == write_page()


@pytest.mark.parametrize("words", [SINGLE, MULTI])
def test_a_published_command_line_makes_the_film(
    words: list[str],
    face: Path,
    speech: Path,
    tmp_path: Path,
    longtake: Callable[..., tuple[int, str, str]],
):
    """The published line, as it is, ends with a film once its folder is there (here pocket draws it); 10000 clips mean until the sound ends, said in one line."""
    from PIL import Image

    (tmp_path / "examples").mkdir()
    Image.open(face).save(tmp_path / "examples/dwarven_blacksmith.jpg")
    speech.rename(tmp_path / "examples/dwarven_blacksmith.wav")
    code, _, err = longtake(*words)
    assert (code, "--ckpt-dir ckpt/Wan2.2-S2V-14B/ cannot be used" in err) == (2, True)
    (tmp_path / "ckpt/Wan2.2-S2V-14B").mkdir(parents=True)
    code, out, err = longtake(*words, "--model", "pocket")
    assert code == 0, err
    assert Path(out.strip()).is_file()
    assert "10000 clips asked, 5 made" in err
