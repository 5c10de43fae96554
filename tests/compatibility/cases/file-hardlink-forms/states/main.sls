@TMP@/h:
  file.hardlink: [{target: '@TMP@/a'}]
@TMP@/o:
  file.hardlink: [{target: '@TMP@/a'}, {force: True}]
@TMP@/p:
  file.hardlink: [{target: '@TMP@/a'}]
@TMP@/d:
  file.hardlink: [{target: '@TMP@/a'}]
@TMP@/e:
  file.hardlink: [{target: '@TMP@/d'}]
@TMP@/no/h:
  file.hardlink: [{target: '@TMP@/a'}]
@TMP@/mk/h:
  file.hardlink: [{target: '@TMP@/a'}, {makedirs: True}]
rel:
  file.hardlink: [{target: '@TMP@/a'}]
@TMP@/r:
  file.hardlink: [{target: a}]
@TMP@/d2:
  file.hardlink: [{target: '@TMP@/a'}, {force: True}]
