{% set x = 1 %}{% from 'm.j2' import m %}{% from 'm.j2' import m as m2 with context %}{% import 'm.j2' as lib %}{% import 'm.j2' as libc with context %}
a:
  test.nop:
    - l: [{{ m() }}, {{ m2() }}, {{ lib.m() }}, {{ libc.m() }}, {{ lib.v }}]
