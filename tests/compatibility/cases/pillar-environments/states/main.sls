a:
  test.nop:
    - p: {{ pillar | json }}
