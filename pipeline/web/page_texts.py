"""What the page says, in English and in Chinese."""

from collections.abc import Callable, Mapping

LANGUAGES = {"en": "English", "zh": "中文"}
"""By the beginning of what a browser asks for; the first is for all others."""

Say = Callable[..., str]
"""Says a text of TEXTS by its name in one language; named facts are put into it."""

TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("A picture and a soundtrack become a talking film", "一张图片加一段声音，就是一部会说话的影片"),
    "tab_new": ("New film", "新影片"),
    "tab_watch": ("Watch", "观看"),
    "tab_films": ("All films", "全部影片"),
    "picture": ("Picture: drop, choose or take one", "图片：拖入、选择或拍摄"),
    "sound": ("Sound: drop, choose or record one", "声音：拖入、选择或录制"),
    "directing": ("A script: which prompt when; a pose video", "剧本：何时用哪个提示词；骨架影片"),
    "script_file": ("from when to when which prompt, a .toml, .json, .csv or .srt", "从何时到何时用哪个提示词，.toml、.json、.csv 或 .srt"),
    "pose-video_file": ("a film of skeletons that moves the body; of the large models", "带动身体的骨架影片；用于大模型"),
    "speakers": ("Several speakers", "多位说话人"),
    "speakers_help": ("Say where each is: face:1 is the largest face, or x,y,w,h around one. The sound above is the first one's; the others have their own here, or all share it by a table of turns.", "说明每位在哪里：face:1 是最大的脸，或写脸周围的 x,y,w,h。上面的声音属于第一位；其余各位在此给出自己的声音，或用轮次表共用一条。"),
    "speaker_place": ("Speaker {number}: where", "说话人 {number}：位置"),
    "speaker_sound": ("Sound of speaker {number}", "说话人 {number} 的声音"),
    "turns_file": ("who has the one sound from when to when, a .csv of from,until,speaker", "谁从何时说到何时，.csv，列为 from,until,speaker"),
    "face": ("The face that speaks: a click tells where the mouth is", "说话的脸：点一下，指出嘴的位置"),
    "click_tells": ("A click tells", "点击指出"),
    "click_mouth": ("the mouth", "嘴"),
    "click_eyes": ("the eyes, one after the other", "两只眼睛，先后各点一次"),
    "click_face": ("who speaks", "谁在说话"),
    "faces_found": ("{count} found; the red box is the mouth, the blue ones are the eyes.", "找到 {count} 张脸；红框是嘴，蓝框是眼睛。"),
    "no_face": ("No face was found: click the mouth, then the two eyes.", "没有找到脸：请先点嘴，再点两只眼睛。"),
    "no_face_needed": ("This model looks at the picture as a whole.", "这个模型看的是整张图片。"),
    "mouth_told": ("The mouth is told: {box}.", "嘴的位置：{box}。"),
    "eye_told": ("One eye is told; click the other one.", "已指出一只眼睛；请点另一只。"),
    "eyes_told": ("The eyes are told: {boxes}.", "眼睛的位置：{boxes}。"),
    "face_told": ("Face {number} speaks.", "由第 {number} 张脸说话。"),
    "prompt": ("What the film shows", "影片要表现什么"),
    "prompt_hint": ("for example: A happy presenter nods.", "例如：主持人开心地点头。"),
    "default": ("as usual", "默认"),
    "online": ("Enable Online Decode", "启用在线解码 (Enable Online Decode)"),
    "online_help": ("Decode each clip as soon as it is denoised. Off: denoise everything first, then decode; the same bytes.",
                    "每个片段去噪后立即解码。关闭：先全部去噪，再解码；字节完全相同。"),
    "plan": ("The plan", "计划"),
    "plan_empty": ("Give a picture and a sound: then it stands here what the film will take.", "放入图片和声音，这里就会显示制作这部影片需要什么。"),
    "length": ("length", "长度"),
    "frames": ("{frames} frames at {fps} a second", "{frames} 帧，每秒 {fps} 帧"),
    "clips": ("clips", "片段"),
    "clips_of": ("{clips} of {frames} frames", "{clips} 个，每个 {frames} 帧"),
    "size": ("size", "尺寸"),
    "steps": ("{count} steps", "{count} 步"),
    "model": ("model", "模型"),
    "time": ("time", "时间"),
    "time_like": ("about {time}, as the last film like it went", "约 {time}（按上一部同类影片推算）"),
    "time_unknown": ("known after the first clip", "第一个片段完成后可知"),
    "first_clip": ("first clip after", "首个片段"),
    "pace": ("pace", "速度"),
    "a_second": ("{rate} frames a second", "每秒 {rate} 帧"),
    "device": ("card", "显卡"),
    "host": ("memory", "内存"),
    "disk": ("disk", "磁盘"),
    "needed": ("needed", "需要"),
    "free": ("{free} free", "可用 {free}"),
    "free_unknown": ("free: not known", "可用：未知"),
    "fits": ("It fits.", "放得下。"),
    "fits_not": ("It does not fit: {short}.", "放不下：{short}。"),
    "ways": ("What would, the cheapest first:", "可行的办法，代价小的在前："),
    "make": ("Make the film", "制作影片"),
    "queued": ("waits for its turn: place {place}", "排队中：第 {place} 位"),
    "running": ("is being made", "正在制作"),
    "finished": ("is done", "已完成"),
    "lost": ("its process is gone; Resume goes on", "进程已消失；点“继续”即可接着做"),
    "stopping": ("stopping after the current write", "写完当前内容后停止"),
    "stopped": ("stands still", "已停止"),
    "failed": ("has failed", "失败"),
    "gone": ("There is no such film.", "没有这部影片。"),
    "no_run": ("Make a film, or choose one under “All films”.", "请先制作一部影片，或在“全部影片”中选择。"),
    "left": ("{time} left", "还需 {time}"),
    "played": ("{done} of {clips} clips can be played", "{clips} 个片段中 {done} 个可播放"),
    "ahead": ("denoised: {count}", "已去噪：{count}"),
    "denoise": ("denoiser", "去噪"),
    "hear": ("hearing", "听音"),
    "decode": ("decoder", "解码"),
    "a_clip": ("{seconds} a clip", "每片段 {seconds}"),
    "retries": ("tries that failed: {count}", "失败的尝试：{count}"),
    "on_disk": ("on the disk: {size}", "磁盘占用：{size}"),
    "device_line": ("{used} of {total}, {load} % busy, {temperature} °C", "{used} / {total}，负载 {load} %，{temperature} °C"),
    "latents": ("Latents of clip {clip}", "片段 {clip} 的潜变量"),
    "latents_help": ("a row a step, a column a latent frame", "每行一步，每列一个潜变量帧"),
    "wave": ("Sound of clip {clip}", "片段 {clip} 的声音"),
    "stop": ("Stop", "停止"),
    "resume": ("Resume", "继续"),
    "delete": ("Delete", "删除"),
    "delete_sure": ("Delete this film for good", "永久删除这部影片"),
    "retake": ("Retake: make some clips again", "重拍：重新制作若干片段"),
    "retake_button": ("Retake", "重拍"),
    "first": ("first clip, counted from 0", "第一个片段（从 0 数起）"),
    "until": ("until, not included", "到此为止（不含）"),
    "seed": ("seed", "种子"),
    "seed_drawn": ("a new one is drawn", "随机抽取"),
    "retaken": ("retake of clips {clip} to {last}, seed {seed}", "重拍：片段 {clip} 到 {last}，种子 {seed}"),
    "retaken_several": ("retake of {clips}, seed {seed}", "重拍：{clips}，种子 {seed}"),
    "retaken_to_the_end": ("retake from clip {clip} on, seed {seed}", "重拍：从片段 {clip} 起，种子 {seed}"),
    "look": ("Inspect", "检查"),
    "look_at": ("Look at", "查看"),
    "look_film": ("the whole film", "整部影片"),
    "look_clip": ("the steps of one clip", "一个片段的各步"),
    "look_audio": ("what the model hears of one clip", "模型听到的一个片段"),
    "look_hunt": ("anything that is not finite or far off", "非有限值与离群值"),
    "look_button": ("Look", "查看"),
    "clip": ("clip, counted from 0", "片段（从 0 数起）"),
    "report": ("Report: is it good?", "报告：质量如何？"),
    "report_button": ("Write the report", "生成报告"),
    "report_wait": ("The film is being measured; a long one takes minutes.", "正在测量影片；长影片需要几分钟。"),
    "report_open": ("Open the report", "打开报告"),
    "settings": ("What was asked for", "设置"),
    "setting": ("setting", "设置"),
    "value": ("value", "值"),
    "source": ("from", "来源"),
    "download": ("Download the film", "下载影片"),
    "no_films": ("There is no film yet.", "还没有影片。"),
    "waits": ("{count} waiting", "{count} 个等待中"),
    "started": ("It was queued; this page only watches, and may be closed.", "已加入队列；本页面只是观看，可以关闭。"),
    "away": ("The server does not answer; films go on. Trying again…", "服务器没有回应；影片仍在制作。正在重试……"),
    "made_by_ai": ("Every film says in its metadata that an AI made it. Ask the people whose face or voice you use.",
                   "每部影片的元数据都注明由 AI 制作。使用他人的面孔或声音前，请先征得同意。"),
    "live_wait": ("The first clip is shown here once it is made.", "第一个片段做好后会显示在这里。"),
    "the film": ("The film", "影片"),
    "where it goes": ("Where it goes", "输出"),
    "the large models": ("The large models", "大模型"),
    "several cards": ("Several cards", "多张显卡"),
    "order and speed": ("Order and speed", "顺序与速度"),
    "what stays on disk": ("What stays on disk", "磁盘上保留什么"),
}  # fmt: skip
"""Each by its name: in English, in Chinese."""


def choose_language(accepted: str) -> str:
    """The language of LANGUAGES that a browser asks for first, by its header Accept-Language."""
    for part in accepted.lower().split(","):
        name = part.split(";")[0].strip()[:2]
        if name in LANGUAGES:
            return name
    return next(iter(LANGUAGES))


def texts_in(language: str) -> Say:
    """What says a text by its name in this language."""
    column = list(LANGUAGES).index(language)

    def say(name: str, **facts: object) -> str:
        return TEXTS[name][column].format(**facts) if facts else TEXTS[name][column]

    return say
