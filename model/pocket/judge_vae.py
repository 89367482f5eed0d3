"""Judge a trained VAE on faces it has never seen, decoded as a film is: in bf16, latent after latent."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.pocket import face
from model.vae import DecoderStream, NoPast, StreamingVAE, walk_encoder

UNSEEN = 1_000_003
FRAMES = 97


def save(vae: Any, out: Path) -> None:
    """Write vae.safetensors (bf16) and vae.json (its configuration) into `out`."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to("cpu", torch.bfloat16).contiguous() for k, v in vae.state_dict().items()}
    save_file(weights, out / "vae.safetensors")
    config = {name: value for name, value in vae.config.items() if not name.startswith("_")}
    (out / "vae.json").write_text(json.dumps(config, indent=1) + "\n")


def load(folder: Path, device: torch.device) -> StreamingVAE:
    """The VAE of vae.json and vae.safetensors, in bf16."""
    from diffusers import AutoencoderKLWan
    from safetensors.torch import load_file

    config = json.loads((folder / "vae.json").read_text())
    module = AutoencoderKLWan.from_config(config)
    module.load_state_dict(load_file(folder / "vae.safetensors"))
    return StreamingVAE(module.to(torch.bfloat16).to(device))


@torch.no_grad()
def judge(folder: Path, size: int, faces: int, device: torch.device) -> dict[str, Any]:
    """PSNR, flicker and sharpness of `faces` unseen faces; also written beside the weights, with a contact sheet."""
    from model.pocket.train_vae import draw_clips

    vae = load(folder, device)
    generator = torch.Generator(device).manual_seed(UNSEEN)
    clips = [_rebuild(vae, *draw_clips(1, FRAMES, size, generator)) for _ in range(faces)]
    facts = {k: round(sum(c["facts"][k] for c in clips) / faces, 3) for k in clips[0]["facts"]}
    facts["worst_psnr"] = round(min(c["facts"]["psnr"] for c in clips), 3)
    (folder / "vae_facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    write_png(folder / "vae_sheet.png", torch.cat([c["row"] for c in clips[:8]]))
    return facts


def _rebuild(
    vae: StreamingVAE, who: Tensor, moves: Tensor, pictures: Tensor, weights: Tensor
) -> dict[str, Any]:
    frames = (pictures.to(vae.dtype) / 127.5 - 1).movedim(-1, 1)
    fold = vae.device.type == "cpu" and vae.dtype == torch.float32
    mean = walk_encoder(vae.module, frames, NoPast(fold=fold))[:, : vae.module.config.z_dim]
    normal = (mean.float() - vae.mean) / vae.std
    made = DecoderStream(vae).push(normal).movedim(1, -1)
    made = ((made.float() + 1) * 127.5).round().clamp(0, 255)
    true = pictures.float()
    weight = torch.nn.functional.interpolate(
        weights.float(), size=true.shape[2:4], mode="bilinear", align_corners=False
    )
    facts = measure(made, true, weight) | {"latent_step": _step(normal)}
    return {"facts": facts, "row": _row(made[0], true[0], face.mouth_box(who, moves)[0])}


def measure(made: Tensor, true: Tensor, weight: Tensor) -> dict[str, float]:
    """Figures of frames [b, t, y, x, rgb] in 0..255 against the true ones."""
    error = (made - true).square().mean(-1)
    features = weight - 1  # only the mouth and the eyes
    late = error[:, len(error[0]) // 2 :]
    return {
        "psnr": _psnr(error.mean()),
        "psnr_mouth_eyes": _psnr((features * error).sum() / features.sum()),
        "psnr_first_frame": _psnr(error[:, 0].mean()),
        "psnr_second_half": _psnr(late.mean()),
        "boundary_ratio": boundary_ratio(made) / boundary_ratio(true),
        "still_flicker": _still_flicker(made, true),
        "sharpness": _sharpness(made) / _sharpness(true),
        "sharpness_mouth_eyes": _sharpness(made, features) / _sharpness(true, features),
    }


def _psnr(error: Tensor) -> float:
    return float(10 * torch.log10(255**2 / error.clamp(min=1e-6)))


def boundary_ratio(frames: Tensor) -> float:
    """How much more frames differ across two latents than within one; 1 is none."""
    change = (
        frames.diff(dim=1).abs().mean(dim=(0, 2, 3, 4))[1:]
    )  # the first frame is a latent alone
    between = torch.arange(len(change), device=change.device) % 4 == 3
    return float(change[between].mean() / change[~between].mean())


def _still_flicker(made: Tensor, true: Tensor) -> float:
    """Mean change of a pixel, of 255, where nothing changes in truth."""
    still = true.diff(dim=1).abs().amax(-1) < 0.5
    return float(made.diff(dim=1).abs().mean(-1)[still].mean())


def _sharpness(frames: Tensor, weight: Tensor | None = None) -> float:
    """Mean absolute Laplacian."""
    inner = frames[:, :, 1:-1, 1:-1]
    around = frames[:, :, 2:, 1:-1] + frames[:, :, :-2, 1:-1]
    around = around + frames[:, :, 1:-1, 2:] + frames[:, :, 1:-1, :-2]
    curve = (4 * inner - around).abs().mean(-1)
    if weight is None:
        return float(curve.mean())
    weight = weight[:, :, 1:-1, 1:-1]
    return float((weight * curve).sum() / weight.sum())


def _step(latents: Tensor) -> float:
    """Mean squared step of normalised latents from one to the next: how jumpy a film of them is."""
    return float(latents.diff(dim=2).square().mean())


def _row(made: Tensor, true: Tensor, box: Tensor) -> Tensor:
    """Three moments of one face: true over rebuilt, and the mouths twice as large."""
    size, cells = true.shape[1], []
    for frame in (6, 41, 88):
        x, y = ((box[frame, :2] + 1) * size / 2).long().tolist()
        quarter = size // 8
        x, y = (min(max(v, quarter), size - quarter) for v in (x, y))
        crop = (slice(y - quarter, y + quarter), slice(x - quarter, x + quarter))
        for side in (true, made):
            zoomed = side[frame][crop].repeat_interleave(4, 0).repeat_interleave(4, 1)
            cells += [side[frame], zoomed[:size, :size]]
    return torch.cat(cells, dim=1).byte().cpu()


def write_png(path: Path, picture: Tensor) -> None:
    """Write a picture uint8 [y, x, rgb]; the training machine may have no imaging library."""
    height, width, _ = picture.shape
    rows = b"".join(b"\0" + bytes(row.flatten().tolist()) for row in picture)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
