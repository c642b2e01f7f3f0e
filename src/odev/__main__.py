"""`python -m odev`: the course's commands, their options and their output.

Not here: what a command does (student/, instructor/, author/, demo/), the instructor's commands
(instructor/commands.py).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from odev.course.command_line import check_jobs, check_lessons, in_course, progress_bar
from odev.course.console import print_any_text
from odev.course.course import CourseError
from odev.instructor.commands import add_to

app = typer.Typer(help="Kursun komutları.", no_args_is_help=True, add_completion=False)

_Lessons = Annotated[
    list[int] | None, typer.Option("--lesson", help="Yalnız bu ders; birden çok verilebilir")
]
_Jobs = Annotated[int | None, typer.Option(help="Aynı anda kaç iş; verilmezse işlemci sayısından bir fazla")]


class Language(StrEnum):
    tr = "tr"
    en = "en"


@app.callback()
def odev() -> None:
    """Kursun komutları: öğrenci için lab, check, status, package, exam; öğretmen için grade, release,
    gradescope; kursu yazan için build, verify."""


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
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="JupyterLab'ın portu; 0: boş bir tane bul")
    ] = 8888,
    browser: Annotated[bool, typer.Option(help="Tarayıcıyı aç")] = True,
) -> None:
    """JupyterLab'ı derslikle (API ve Vault) birlikte aç; Ctrl-C hepsini kapatır."""
    with in_course() as course:
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
    with in_course() as course:
        from odev.student import check as checking

        report = checking.check(what, hints=ipucu, course=course, session=checking.Session())
        Console().print(report)
        raise typer.Exit(0 if report.results and report.passed else 1)


@app.command()
def status() -> None:
    """Ne yaptım, kaç puanım var, sırada ne var. Hepsini sınar: bir dakika sürebilir."""
    with in_course() as course:
        from odev.student import check as checking
        from odev.student.waiting import LABEL

        with progress_bar(LABEL) as progress:
            done = checking.status(course=course, session=checking.Session(), progress=progress)
        Console().print(done)


@app.command()
def package(
    target: Annotated[Path, typer.Argument(help="Projenin yazılacağı boş klasör")] = Path("benim-paketim"),
) -> None:
    """Kendi paketim: yazdığım hücrelerle, pip ile kurulabilen bir proje."""
    with in_course() as course:
        from odev.student.package import package as make_package

        own, others = make_package(course, target)
        console = Console()
        console.print(f"{target} hazır. Kurmak için: pip install {target}", markup=False)
        console.print(f"Senin yazdıkların: {', '.join(own) or 'henüz yok'}", markup=False)
        if others:
            console.print(f"Henüz yazılmayanlar (src'deki hâliyle kaldı): {', '.join(others)}", markup=False)


@app.command()
def exam(
    paket: Annotated[
        Path | None, typer.Argument(help="Paketin zip'i ya da klasörü; verilmezse bu kurstaki kendi paketim")
    ] = None,
) -> None:
    """Sınav: kendi paketim, 300 çağrılık bir günde; yanında üç satırlık program. Bir dakika sürer."""
    with in_course() as course:
        from odev.exam import run

        with progress_bar("sınav sürüyor") as progress:
            taken = run(paket, course=course, progress=progress)
        Console().print(taken)
        raise typer.Exit(0 if taken.passed else 1)


add_to(app)


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
    with in_course() as course:
        from odev.author.build import build as build_solutions
        from odev.author.build import orphans, write

        check_jobs(jobs)
        names = [path.stem for path in course.notebooks()]
        for lesson in lessons or ():
            if lesson not in names:
                raise CourseError(f"{lesson} diye bir ders yok; olanlar: {', '.join(names)}")
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
    wrong_answers: Annotated[int, typer.Option(min=0, help="Her görev için en az kaç yanlış cevap")] = 1,
    right_answers: Annotated[int, typer.Option(min=0, help="Her görev için en az kaç doğru cevap")] = 0,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Çözümlerin küçük değişikliklerini de sına: her biri kalmalı")
    ] = False,
    jobs: _Jobs = None,
) -> None:
    """Kursu sına: stub'lar kalır, çözümler ve doğru cevaplar geçer, her yanlış cevap yalnız kendi
    görevinden kalır."""
    with in_course() as course:
        from odev.author.verify import verify as find_problems

        check_lessons(course, lesson or ())
        check_jobs(jobs)

        def show(problem: str) -> None:
            Console().print(f"✗ {problem}", markup=False, style="red")

        with progress_bar("sınanıyor") as progress:
            problems = find_problems(
                course,
                lesson or (),
                wrong_answers=wrong_answers,
                right_answers=right_answers,
                mutants=mutants,
                jobs=jobs,
                progress=progress,
                found=show,
            )
        if not problems:
            Console().print(
                "✓ Her stub kalıyor, her çözüm ve doğru cevap geçiyor, her yanlış cevap yalnız kendi "
                "görevinden kalıyor."
            )
        raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    print_any_text()
    app(prog_name="python -m odev")
