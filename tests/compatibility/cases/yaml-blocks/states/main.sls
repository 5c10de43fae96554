a:
  test.nop:
    - l: |
        keep
          indent

        end
    - f: >
        folded
        line

        para
    - s: |-
        strip
    - k: |+
        keepnl

    - p: plain
        continued
    - q: "dq
        cont"
    - i: |2
          ind
