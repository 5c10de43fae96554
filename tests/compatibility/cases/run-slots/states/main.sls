a:
  test.nop:
    - v: __slot__:salt:test.echo(x)
b:
  test.show_notification:
    - text: __slot__:salt:test.echo("a, b")
c:
  test.show_notification:
    - text: __slot__:salt:test.arg(1, k=2).kwargs.k ~ -tail
d:
  test.show_notification:
    - text: __slot__:nosuch:test.echo(x)
e:
  file.managed:
    - name: @TMP@/e
    - contents: __slot__:salt:test.echo(content)
f:
  cmd.run:
    - name: __slot__:salt:test.echo("echo slot")
