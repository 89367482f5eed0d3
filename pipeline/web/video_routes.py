"""The same runs in the shape of OpenAI's video jobs: /v1/videos, for clients that are there already."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_root import JobRoot
from pipeline.jobs.job_view import JobState, JobView
from pipeline.web.error_bodies import RESPONSES
from pipeline.web.file_answer import FileAnswer, give_file
from pipeline.web.form_receiver import ReceivedForm
from pipeline.web.run_creation import RunCreator, read_form
from pipeline.web.run_routes import CREATE, FILM, Name
from storage.errors import NotMade

VideoStatus = Literal["queued", "in_progress", "completed", "failed"]
_STATUSES: dict[JobState, VideoStatus] = {
    "queued": "queued",
    "running": "in_progress",
    "finished": "completed",
    "failed": "failed",
    "stopped": "failed",
    "lost": "failed",
}
FIELDS = {"prompt", "model", "size"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["input_reference", "audio"],
                    "properties": {
                        "input_reference": {"type": "string", "format": "binary"},
                        "audio": {"type": "string", "format": "binary"},
                        **{name: {"type": "string"} for name in sorted(FIELDS)},
                    },
                }
            }
        },
    }
}


class VideoError(BaseModel):
    """Why it failed."""

    code: str
    message: str


class Video(BaseModel):
    """A film as a video job."""

    id: str
    object: Literal["video"] = "video"
    status: VideoStatus
    progress: int
    """Per cent."""
    created_at: int
    model: str | None
    size: str | None
    seconds: str | None
    error: VideoError | None = None


class VideoList(BaseModel):
    """Films, the newest first."""

    object: Literal["list"] = "list"
    data: list[Video]


class Deleted(BaseModel):
    """What was removed."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


def build_video_routes(jobs: JobRoot, creator: RunCreator) -> APIRouter:
    """Create, list, read, download and delete."""
    routes = APIRouter(prefix="/v1/videos", tags=["videos"], responses=RESPONSES)

    @routes.post("", openapi_extra=_BODY, responses=CREATE)
    async def create_video(
        request: Request,
        idempotency_key: Annotated[str | None, Header(max_length=255, min_length=1)] = None,
    ) -> Video:
        """Ask for a film of a picture (`input_reference`) and a sound (`audio`), which OpenAI's videos have not."""
        view = await creator.create_from_form(request, idempotency_key, _read_video)
        return describe_video(view)

    @routes.get("")
    def list_videos(limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> VideoList:
        """All films."""
        return VideoList(data=[describe_video(each) for each in jobs.list_jobs()[:limit]])

    @routes.get("/{name}")
    def read_video(name: Name) -> Video:
        """A film as it is now."""
        return describe_video(jobs.view(name))

    @routes.head("/{name}/content", include_in_schema=False)
    @routes.get("/{name}/content", response_class=StreamingResponse, responses=FILM)
    def read_content(name: Name) -> FileAnswer:
        """The film."""
        view = jobs.view(name)
        if view.film is None:
            raise NotMade(f"The film of {name}")
        return give_file(view.run, "video.mp4", "video/mp4")

    @routes.delete("/{name}")
    def delete_video(name: Name) -> Deleted:
        """Remove it; 409 while it runs."""
        jobs.delete(name)
        return Deleted(id=name)

    return routes


def _read_video(form: ReceivedForm) -> JobRequest:
    """What a form of OpenAI's shape asks for; fields that have no meaning here are left out."""
    form.fields = {name: text for name, text in form.fields.items() if name in FIELDS}
    return read_form(form, "input_reference", "audio")


def describe_video(view: JobView) -> Video:
    """A job as a video job."""
    why = view.error or ("It was stopped." if view.state == "stopped" else None)
    return Video(
        id=view.name,
        status=_STATUSES[view.state],
        progress=100 * view.clips_done // view.clips if view.clips else 0,
        created_at=int(view.made),
        model=view.model,
        size=f"{view.width}x{view.height}" if view.width else None,
        seconds=None if view.seconds is None else f"{view.seconds:g}",
        error=VideoError(code=view.state, message=why) if why else None,
    )
