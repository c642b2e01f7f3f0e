"""The instructor's commands of the shell, with their options and output: grade, release, gradescope.

Not here: what they do (grade.py, release.py, gradescope.py), all other commands (__main__.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from odev.course.command_line import check_jobs, check_lessons, check_timeout, in_course, progress_bar
from odev.course.course import CourseError

_Lessons = Annotated[
    list[int] | None, typer.Option("--lesson", help="Yalnız bu ders; birden çok verilebilir")
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (grade, release, gradescope):
        app.command()(command)


def grade(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Teslimlerin klasörü, Moodle ya da Canvas'ın zip'i ya da tek tek teslimler"),
    ],
    out: Annotated[Path, typer.Option(help="Sonuçların yazılacağı klasör")] = Path("grades"),
    lesson: _Lessons = None,
    jobs: Annotated[
        int | None, typer.Option(help="Aynı anda kaç iş; verilmezse işlemci sayısından bir fazla")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Bir görevin en uzun işlemci süresi, saniye")] = 5.0,
    single: Annotated[bool, typer.Option("--single", help="Verilen her yol tek bir öğrencinin")] = False,
    roster: Annotated[
        Path | None, typer.Option(help="Sınıf listesi (CSV): teslim etmeyenler de yazılır")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Geçen testler kadar puan ver")] = False,
    late: Annotated[str | None, typer.Option(help="Geç kalan her gün için düşülen: 10%/gün")] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            help="Son teslim, bu bilgisayarın saatiyle: 2026-11-20 (günün sonu) ya da 2026-11-20T18:00"
        ),
    ] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Her öğrenciye Türkçe bir sayfa; Moodle için zip'i de")
    ] = False,
    same: Annotated[
        bool, typer.Option("--same-answers", help="Birbirine benzeyen cevapların listesi; hüküm değil, ipucu")
    ] = False,
    excel_tr: Annotated[
        bool, typer.Option("--excel-tr", help="CSV Türkçe Excel için: ; ve ondalık virgül")
    ] = False,
    moodle: Annotated[
        Path | None, typer.Option(help="Moodle'dan indirilen not çizelgesi; doldurulmuş hâli yazılır")
    ] = None,
    canvas: Annotated[
        Path | None, typer.Option(help="Canvas'tan indirilen not defteri; doldurulmuş hâli yazılır")
    ] = None,
    canvas_assignment: Annotated[str, typer.Option(help="Not defterinde ödevin sütunu")] = "",
    gradescope: Annotated[bool, typer.Option("--gradescope", help="Her teslim için results.json")] = False,
    classroom50: Annotated[bool, typer.Option("--classroom50", help="Her teslim için result.json")] = False,
    exam: Annotated[
        bool,
        typer.Option("--exam", help="Teslimdeki paketi sınava da sok; puanı ödevinkinden ayrı"),
    ] = False,
) -> None:
    """Teslimleri puanla: tablo, CSV, JSON.

    Her görev ayrı bir process'te, süre, bellek ve çıktı sınırlarıyla çalışır; bir görevin hatası
    başka hiçbir puana dokunmaz. Yarıda kesilirse kaldığı yerden sürer. Bu bir sandbox değil, bir
    alarmdır: kazaları ve bilinen hileleri yakalar, ama kötü niyetli kodu dosyalarından ve
    ağdan uzak tutmaz; çözümü diskten okuyanı da görmez. Tanımadığın kodu bir container içinde puanla.
    """
    with in_course() as course:
        from odev.grading.limited_process import Limits
        from odev.instructor.changes import changes, last_scores
        from odev.instructor.exams import take_exams
        from odev.instructor.grade import grade as grade_all
        from odev.instructor.gradebook import gradebook
        from odev.instructor.handed_in import find_submissions
        from odev.instructor.marks import Rules, TakenExam, deadline_of, late_rate, mark_all
        from odev.instructor.output import Outputs, alone_in
        from odev.instructor.roster import Student, read_roster, with_roster
        from odev.instructor.submission import read_submission

        check_lessons(course, lesson or ())
        check_jobs(jobs)
        check_timeout(timeout)
        rules = Rules(
            partial,
            late_rate(late) if late is not None else 0.0,
            deadline_of(deadline) if deadline is not None else None,
        )
        outputs = Outputs(
            out, excel_tr, feedback, same, moodle, canvas, canvas_assignment, gradescope, classroom50
        )
        outputs.check()
        students = read_roster(roster) if roster is not None else []
        submissions = [read_submission(one) for one in find_submissions(paths, out, single=single).values()]
        by_name: dict[str, Student] = {}
        if students:
            submissions, by_name = with_roster(submissions, students)
        if not submissions:
            raise CourseError(f"{', '.join(map(str, paths))} içinde teslim yok")
        aside = Console(stderr=True)
        with alone_in(out):
            try:
                with progress_bar("puanlanıyor") as progress:
                    all_graded = grade_all(
                        course,
                        submissions,
                        out,
                        lessons=lesson or (),
                        jobs=jobs,
                        limits=Limits(seconds=timeout),
                        progress=progress,
                        say=lambda line: aside.print(line, markup=False),
                    )
                exams: dict[str, TakenExam] = {}
                if exam:
                    with progress_bar("sınavlar sürüyor") as progress:
                        exams = take_exams(course, submissions, out, jobs=jobs, progress=progress)
            except KeyboardInterrupt:
                aside.print("Yarıda kesildi. Aynı komutla kaldığı yerden sürer: bitenler yeniden puanlanmaz.")
                raise typer.Exit(130) from None
            marks = mark_all(all_graded, rules, by_name, exams)
            changed = changes(last_scores(out / "grades.json"), marks)
            remarks = outputs.write(marks, course.stubs)
            if rules.late and deadline is None:
                remarks.append("--deadline yok: yalnız Canvas'ın LATE'i ve listedeki gecikme sayıldı")
        console = Console()
        console.print(gradebook(marks))
        if changed:
            console.print("Geçen puanlamadan bu yana:", *changed, sep="\n  ", markup=False)
        for remark in remarks:
            console.print(remark, markup=False)
        console.print(f"Sonuçlar: {out}", markup=False)


def release(
    lesson: Annotated[
        int, typer.Option(help="Bu dersin ve sonrakilerin görevleri boş gelir, öncekiler çözülmüş")
    ] = 0,
    out: Annotated[Path, typer.Option(help="Yazılacak zip")] = Path("dist/safechat-odev.zip"),
) -> None:
    """Öğrenciler için çözümsüz bir zip yap."""
    with in_course() as course:
        from odev.instructor.release import release as make_release

        if lesson:
            check_lessons(course, [lesson])
        stubs = make_release(course, out, lesson)
        Console().print(
            f"{out} hazır. Öğrencinin yazacağı görevler: {', '.join(stubs) or 'yok'}", markup=False
        )


def gradescope(
    out: Annotated[Path, typer.Option(help="Yazılacak zip")] = Path("dist/gradescope.zip"),
    lesson: _Lessons = None,
    partial: Annotated[bool, typer.Option("--partial", help="Geçen testler kadar puan ver")] = False,
    exam: Annotated[bool, typer.Option("--exam", help="Teslimdeki paketi sınava da sok")] = False,
) -> None:
    """Gradescope'a 'Configure Autograder' ile yüklenecek zip'i yap: setup.sh, run_autograder ve kurs."""
    with in_course() as course:
        from odev.instructor.gradescope import make_autograder

        check_lessons(course, lesson or ())
        make_autograder(course, out, lesson or (), partial=partial, exam=exam)
        Console().print(f"{out} hazır. Gradescope'ta: Configure Autograder → Zip file upload", markup=False)
