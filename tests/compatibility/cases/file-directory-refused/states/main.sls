@TMP@/f:
  file.directory: []
@TMP@/f2:
  file.directory: [{force: True}]
@TMP@/f3:
  file.directory: [{backupname: '@TMP@/bk'}]
@TMP@/l:
  file.directory: [{mode: '0711'}]
rel:
  file.directory: []
@TMP@/r:
  file.directory:
    - file_mode: '0600'
    - dir_mode: '0750'
    - recurse: [mode, ignore_dirs]
@TMP@/r2:
  file.directory:
    - recurse: [nosuch]
@TMP@/r3:
  file.directory:
    - recurse: mode
@TMP@/r4:
  file.directory:
    - recurse: [user]
@TMP@/r5:
  file.directory:
    - mode: '0711'
    - recurse: [mode]
    - max_depth: 1
@TMP@/r6:
  file.directory:
    - mode: '0711'
    - recurse: [mode, silent]
@TMP@/r7:
  file.directory:
    - mode: '0711'
    - file_mode: '0611'
    - recurse: [mode]
    - children_only: True
@TMP@/r8/:
  file.directory: [{mode: 700}]
@TMP@/nope/deep/er:
  file.directory: []
