"""`python -m odev`: the course's commands, their options and their output.

Not here: what a command does (student/, instructor/, author/, demo/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from odev.course.console import print_any_text
from odev.course.course import Course, CourseError, find_course
from odev.course.files import file_name

app = typer.Typer(help="Kursun komutları.", no_args_is_help=True, add_completion=False)

_Lessons = Annotated[
    list[int] | None, typer.Option("--lesson", help="Yalnız bu ders; birden çok verilebilir")
]
_Jobs = Annotated[int | None, typer.Option(help="Aynı anda kaç iş; verilmezse işlemci sayısı kadar")]


class Language(StrEnum):
    tr = "tr"
    en = "en"


@contextmanager
def _course() -> Iterator[Course]:
    """The course of the current folder. A CourseError ends the command with one line and exit code 2."""
    try:
        yield find_course()
    except CourseError as error:
        Console(stderr=True).print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None


@contextmanager
def _progress_bar(label: str) -> Iterator[Callable[[int], None]]:
    """A bar that moves one step at each call; the argument is the total."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(label, total=None)
        yield lambda total: progress.update(bar, total=total, advance=1)


@app.callback()
def odev() -> None:
    """Kursun komutları: öğrenci için lab, check, status, package; öğretmen için grade, release;
    kursu yazan için build, verify."""


@app.command()
def demo(
    lang: Annotated[Language, typer.Option(help="Tablonun dili / the table's language")] = Language.tr,
) -> None:
    """Bir dakikada asıl iş: güvensiz ve güvenli ask_question.py, aynı hatalarla, ölçülmüş."""
    from odev.demo.demo import ASK, show

    if not ASK[1].is_file():
        Console(stderr=True).print("Bu kopyada çözümler yok; başlamak için: python -m odev lab")
        raise typer.Exit(2)
    show(Console(), lang.value)


@app.command()
def lab(
    port: Annotated[int, typer.Option(help="JupyterLab'ın portu; 0: boş bir tane bul")] = 8888,
    browser: Annotated[bool, typer.Option(help="Tarayıcıyı aç")] = True,
) -> None:
    """JupyterLab'ı derslikle (API ve Vault) birlikte aç; Ctrl-C hepsini kapatır."""
    with _course() as course:
        from odev.student.lab import lab as open_lab

        raise typer.Exit(open_lab(course, port=port, browser=browser))


@app.command()
def check(
    what: Annotated[
        str | None, typer.Argument(help="Ders (4) ya da görev (4.2); verilmezse son kaydedilen ders")
    ] = None,
    ipucu: Annotated[int, typer.Option(min=1, max=2, help="2: ikinci, daha açık ipuçları da")] = 1,
) -> None:
    """Kaydedilmiş dersimi kontrol et: puanlar, neyin geçmediği, ipucu."""
    with _course() as course:
        from odev.student import check as checking

        report = checking.check(what, hints=ipucu, course=course, session=checking.Session())
        Console().print(report)
        raise typer.Exit(0 if report.results and report.passed else 1)


@app.command()
def status() -> None:
    """Ne yaptım, kaç puanım var, sırada ne var."""
    with _course() as course:
        from odev.student import check as checking

        Console().print(checking.status(course=course, session=checking.Session()))


@app.command()
def package(
    target: Annotated[Path, typer.Argument(help="Projenin yazılacağı boş klasör")] = Path("benim-paketim"),
) -> None:
    """Kendi paketim: yazdığım hücrelerle, pip ile kurulabilen bir proje."""
    with _course() as course:
        from odev.student.package import package as make_package

        own, others = make_package(course, target)
        console = Console()
        console.print(f"{target} hazır. Kurmak için: pip install {target}", markup=False)
        console.print(f"Senin yazdıkların: {', '.join(own) or 'henüz yok'}", markup=False)
        if others:
            console.print(f"Henüz yazılmayanlar (src'deki hâliyle kaldı): {', '.join(others)}", markup=False)


@app.command()
def grade(
    paths: Annotated[
        list[Path], typer.Argument(help="Teslimlerin klasörü ya da tek tek klasörler ve zip'ler")
    ],
    out: Annotated[Path, typer.Option(help="Sonuçların yazılacağı klasör")] = Path("grades"),
    lesson: _Lessons = None,
    jobs: _Jobs = None,
    timeout: Annotated[float, typer.Option(help="Bir görevin en uzun işlemci süresi, saniye")] = 20.0,
    gradescope: Annotated[bool, typer.Option("--gradescope", help="Her teslim için results.json")] = False,
    classroom50: Annotated[bool, typer.Option("--classroom50", help="Her teslim için result.json")] = False,
) -> None:
    """Teslimleri puanla: tablo, CSV, JSON.

    Her görev ayrı bir process'te, süre, bellek ve çıktı sınırlarıyla çalışır; bir görevin hatası
    başka hiçbir puana dokunmaz. Yarıda kesilirse kaldığı yerden sürer. Bu bir sandbox değil, bir
    alarmdır: kazaları ve bilinen hileleri yakalar, ama kötü niyetli kodu dosyalarından ve
    ağdan uzak tutmaz; çözümü diskten okuyanı da görmez. Tanımadığın kodu bir container içinde puanla.
    """
    with _course() as course:
        from odev.grading.limited_process import Limits
        from odev.instructor import exports
        from odev.instructor.grade import grade as grade_all
        from odev.instructor.gradebook import gradebook

        aside = Console(stderr=True)
        try:
            with _progress_bar("puanlanıyor") as progress:
                all_graded = grade_all(
                    course,
                    paths,
                    out,
                    lessons=lesson or (),
                    jobs=jobs,
                    limits=Limits(seconds=timeout),
                    progress=progress,
                    say=lambda line: aside.print(line, markup=False),
                )
        except KeyboardInterrupt:
            aside.print("Yarıda kesildi. Aynı komutla kaldığı yerden sürer: bitenler yeniden puanlanmaz.")
            raise typer.Exit(130) from None
        exports.write_csv(out / "grades.csv", all_graded)
        exports.write_json(out / "grades.json", all_graded)
        for graded in all_graded:
            if gradescope:
                exports.write_gradescope(out / "gradescope" / file_name(graded.name) / "results.json", graded)
            if classroom50:
                exports.write_classroom50(
                    out / "classroom50" / file_name(graded.name) / "result.json", graded
                )
        Console().print(gradebook(all_graded))
        Console().print(f"Sonuçlar: {out}", markup=False)


@app.command()
def release(
    lesson: Annotated[
        int, typer.Option(help="Bu dersin ve sonrakilerin görevleri boş gelir, öncekiler çözülmüş")
    ] = 0,
    out: Annotated[Path, typer.Option(help="Yazılacak zip")] = Path("dist/safechat-odev.zip"),
) -> None:
    """Öğrenciler için çözümsüz bir zip yap."""
    with _course() as course:
        from odev.instructor.release import release as make_release

        stubs = make_release(course, out, lesson)
        Console().print(
            f"{out} hazır. Öğrencinin yazacağı görevler: {', '.join(stubs) or 'yok'}", markup=False
        )


@app.command()
def build(
    lessons: Annotated[
        list[str] | None, typer.Argument(help="Derslerin adları (01_hata_yonetimi); verilmezse hepsi")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Yazma; güncel olmayan varsa adını söyle ve 1 ile çık")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Aynı anda kaç notebook")] = 2,
) -> None:
    """solutions/ içindeki notebook'ları derslerden ve src'den kur, çalıştır, çıktılarıyla yaz."""
    with _course() as course:
        from odev.author.build import build as build_solutions
        from odev.author.build import orphans, write

        built = build_solutions(course, lessons or (), jobs)
        stale = [solution.path for solution in built if solution.stale] + orphans(course)
        if not check:
            write(built)
            for path in orphans(course):
                path.unlink()
        for path in stale:
            word = "güncel değil" if check else "yazıldı"
            Console().print(f"{word}: {path.relative_to(course.root)}", markup=False)
        raise typer.Exit(1 if check and stale else 0)


@app.command()
def verify(
    lesson: _Lessons = None,
    wrong_answers: Annotated[int, typer.Option(help="Her görev için en az kaç yanlış cevap")] = 1,
    right_answers: Annotated[int, typer.Option(help="Her görev için en az kaç doğru cevap")] = 0,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Çözümlerin küçük değişikliklerini de sına: her biri kalmalı")
    ] = False,
    jobs: _Jobs = None,
) -> None:
    """Kursu sına: stub'lar kalır, çözümler ve doğru cevaplar geçer, her yanlış cevap yalnız kendi
    görevinden kalır."""
    with _course() as course:
        from odev.author.verify import verify as find_problems

        with _progress_bar("sınanıyor") as progress:
            problems = find_problems(
                course,
                lesson or (),
                wrong_answers=wrong_answers,
                right_answers=right_answers,
                mutants=mutants,
                jobs=jobs,
                progress=progress,
            )
        for problem in problems:
            Console().print(f"✗ {problem}", markup=False, style="red")
        if not problems:
            Console().print(
                "✓ Her stub kalıyor, her çözüm ve doğru cevap geçiyor, her yanlış cevap yalnız kendi "
                "görevinden kalıyor."
            )
        raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    print_any_text()
    app(prog_name="python -m odev")
