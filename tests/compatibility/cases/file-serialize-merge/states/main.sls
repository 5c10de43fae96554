@TMP@/m1:
  file.serialize:
    - dataset: {a: {b: 1, c: [1, 2]}, n: {z: 1}}
    - serializer: json
    - merge_if_exists: True
@TMP@/m8:
  file.serialize:
    - dataset: {k: v}
    - serializer: yaml
    - create: False
@TMP@/m9:
  file.serialize:
    - serializer: yaml
@TMP@/m10:
  file.serialize:
    - dataset: text
    - serializer: yaml
@TMP@/m11:
  file.serialize:
    - dataset: [1, 'yes', '1', null, 1.5, true, 'a: b', "l1\nl2\n", 'ü', 2020-01-01]
    - serializer: yaml
@TMP@/m12:
  file.serialize:
    - dataset: {a: {b: {c: d}}}
    - serializer: yaml
    - serializer_opts:
      - explicit_start: True
      - default_flow_style: True
      - indent: 4
@TMP@/m13:
  file.serialize:
    - dataset: {a: 1}
    - dataset_pillar: x
@TMP@/m14:
  file.serialize:
    - dataset_pillar: nosuch
@TMP@/m15/x/y:
  file.serialize:
    - dataset: {a: 1}
    - makedirs: True
@TMP@/m16/x/y:
  file.serialize:
    - dataset: {a: 1}
@TMP@/m17:
  file.serialize:
    - dataset: {b: {k: v}, a: {x: 1, y: [1]}}
    - serializer: configparser
