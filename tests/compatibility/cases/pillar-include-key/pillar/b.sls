v: {{ who }}-{{ n }}
